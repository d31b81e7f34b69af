// Bundles entry.js into one script and one style sheet, and collects the licences of what went in.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const target = process.argv[2];

// The style sheet of GraphiQL carries 34 font files as data URLs, three quarters of its bytes. The page
// uses the reader's own fonts instead, which also lets the policy of the page forbid fonts altogether.
const systemFonts = {
  name: 'system-fonts',
  setup({ onLoad }) {
    onLoad({ filter: /graphiql[\\/]dist[\\/]style\.css$/ }, ({ path }) => {
      const contents = readFileSync(path, 'utf8')
        .replace(/@font-face\s*\{[^}]*\}/g, '')
        .replace('"Roboto", sans-serif', 'system-ui, sans-serif')
        .replace('"Fira Code", monospace', 'ui-monospace, Menlo, Consolas, monospace');
      if (/Roboto|Fira Code|@font-face/.test(contents)) throw new Error('the fonts of GraphiQL have moved');
      return { contents, loader: 'css' };
    });
  },
};

const { metafile } = await build({
  entryPoints: { graphiql: 'entry.js' },
  outdir: join(target, 'assets'),
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  define: { 'process.env.NODE_ENV': '"production"' },
  legalComments: 'none',
  charset: 'utf8',
  metafile: true,
  plugins: [systemFonts],
});

// Packages published without their licence file, and where the text that covers them stands.
const unwritten = {
  '@graphiql/plugin-doc-explorer': 'Part of GraphiQL: see graphiql in this file.',
  '@graphiql/plugin-history': 'Part of GraphiQL: see graphiql in this file.',
  'react-compiler-runtime': 'Part of React, copyright Meta Platforms, Inc. and affiliates: see react in this file.',
  'react-remove-scroll-bar': 'By the author of react-remove-scroll, under the same terms: see there in this file.',
  'toggle-selection': 'By sudodoki. MIT terms, worded as under react in this file.',
};

const folders = new Set();
for (const input of Object.values(metafile.outputs).flatMap((output) => Object.keys(output.inputs))) {
  const match = /^.*node_modules\/(@[^/]+\/[^/]+|[^/]+)/.exec(input);
  if (match) folders.add(match[0]);
}

const notices = [...folders].sort().map((folder) => {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (!license) throw new Error(`${name} states no licence`);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? readFileSync(join(folder, file), 'utf8').trim() : unwritten[name];
  if (!text) throw new Error(`${name} carries no licence text`);
  return `${name} ${version} (${license})\n\n${text}\n`;
});
writeFileSync(join(target, 'THIRD-PARTY-LICENSES.txt'), notices.join(`\n${'-'.repeat(78)}\n\n`));

for (const [name, { bytes }] of Object.entries(metafile.outputs)) console.log(bytes, name);
console.log(notices.length, 'packages');
