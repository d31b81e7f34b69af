#!/bin/sh
# Rebuilds ../assets and ../THIRD-PARTY-LICENSES.txt from the versions in package-lock.json.
# Needs Node 20 or newer and an npm registry; works in a temporary folder, so node_modules never lands here.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$here"/package.json "$here"/package-lock.json "$here"/build.mjs "$here"/entry.js "$here"/newcomer.js "$here"/page.css "$work"
cd "$work"
npm ci --ignore-scripts --no-audit --no-fund
node build.mjs "$here/.."
