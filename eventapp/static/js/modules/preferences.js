// A choice of language or theme is kept in a cookie; in the address it would travel on with a shared link.
const address = new URL(location.href);
const chosen = ["lang", "theme"].filter((name) => address.searchParams.has(name));
for (const name of chosen) address.searchParams.delete(name);
if (chosen.length) history.replaceState(history.state, "", address);
