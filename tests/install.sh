#!/usr/bin/env bash
# Installs what the tests look for besides Debian's packages, into target/tools, with exact versions.
# Needs root for the libraries that syslog-ng wants, and Debian's, PyPI's and npm's registries.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools="$here/../target/tools"
mkdir -p "$tools"
cd "$tools"

# Debian lets one syslog daemon be installed at a time, and rsyslog is: syslog-ng is only unpacked.
apt-get install -y -qq --no-install-recommends \
    libivykis0 libjson-c5 libnet1 libpcre3 libwrap0 python3-venv
command -v npm >/dev/null || apt-get install -y -qq --no-install-recommends npm
rm -rf syslog-ng parsers page
mkdir syslog-ng parsers page
(cd syslog-ng && apt-get download -qq syslog-ng-core && dpkg -x syslog-ng-core_*.deb . && rm ./*.deb)

# Parsers of CEF and LEEF.
/usr/bin/python3 -m venv parsers/python
parsers/python/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
    --requirement "$here/it/receivers/parsers/requirements.txt"
cp "$here"/it/receivers/parsers/package{,-lock}.json parsers/
npm ci --prefix parsers --silent --ignore-scripts --no-audit --no-fund

# What reads Parquet.
parsers/python/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1

# What drives Chromium to the status page.
cp "$here"/page/package{,-lock}.json page/
npm ci --prefix page --silent --ignore-scripts --no-audit --no-fund
