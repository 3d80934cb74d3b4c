# `make run` and `make test` need a Debian or Ubuntu with Python 3.11 or newer, and nothing else.
SHELL := /bin/bash
PYTHON := .venv/bin/python
ARGS ?=
KOREAN := eventapp/translations/ko/LC_MESSAGES/messages.po
# Where it is set, every process compiles some thousand modules again, for 2 s each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-browser test-slow test-servers bench pictures translations lint check clean environment

run: environment ## everything on this machine, until Ctrl-C: PORT=8000 make run
	@.ci/packages pdf || echo "Until then everything works but the PDF tickets."
	@exec setpriv --pdeathsig TERM $(PYTHON) -m eventapp.supervisor

test: environment ## the tests: make test ARGS="-k deposit"
	@.ci/browser
	@$(PYTHON) -m pytest -q -n auto -m "not slow and not browser" $(ARGS)

test-browser: environment ## what people do, in Chromium, with scripts and without
	@.ci/browser
	@$(PYTHON) -m pytest -q -n auto -m "browser and not slow" $(ARGS)

test-slow: environment ## those that take minutes: every page read by axe, workers killed among twenty thousand rows
	@.ci/browser
	@$(PYTHON) -m pytest -q -n auto -m slow $(ARGS)

test-servers: environment ## those that need a database, against Debian's PostgreSQL and Redis
	@.ci/browser
	@.ci/servers $(PYTHON) -m pytest -q -n auto -m "not slow and not browser" --ignore tests/payments --ignore tests/sandbox $(ARGS)

bench: environment ## figures and ratios: make bench SHORT=1
	@.ci/browser
	@.ci/packages bench
	@$(PYTHON) -m tests.bench $(if $(SHORT),--short) $(ARGS)

pictures: environment ## every page in both languages, light and dark, phone, tablet and desk (ARGS=--crowd: with 100,000 rows too)
	@.ci/browser
	@$(PYTHON) -m tests.pictures $(ARGS)

translations: environment ## the Korean catalogue brought up to date; prints what is missing in it
	@mkdir -p build
	@.venv/bin/pybabel -q extract -F babel.cfg -k _l --no-location --sort-output --no-wrap -o build/messages.pot eventapp
	@.venv/bin/pybabel -q update -i build/messages.pot -o $(KOREAN) -l ko --no-wrap --no-fuzzy-matching --ignore-obsolete \
		--ignore-pot-creation-date
	@! grep -n -B2 '^msgstr\(\[0\]\)\? ""$$' $(KOREAN) | tail -n +6 | grep .

lint check: environment ## the style of the code
	@.venv/bin/ruff check .

clean: ## the environment and what was built; the data in var/ stay
	@rm -rf .venv build pictures *.egg-info .pytest_cache .hypothesis .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@.ci/environment
