// Copies the browser files we serve from node_modules into the repository, with their licences, and builds the icon
// sprite. Run by `npm run vendor` after a version in package.json was changed; the result is committed.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'

const from = (path) => `node_modules/${path}`
const version = (name) => JSON.parse(readFileSync(from(`${name}/package.json`))).version

const packages = [
  ['htmx.org', '0BSD', 'LICENSE', { 'dist/htmx.min.js': 'static/vendor/htmx.min.js' }],
  ['idiomorph', '0BSD', 'LICENSE', { 'dist/idiomorph-ext.min.js': 'static/vendor/idiomorph-ext.min.js' }],
  ['uplot', 'MIT', 'LICENSE', {
    'dist/uPlot.iife.min.js': 'static/vendor/uPlot.iife.min.js',
    'dist/uPlot.min.css': 'static/vendor/uPlot.min.css',
  }],
  ['@fontsource-variable/geist', 'OFL-1.1', 'LICENSE', {
    'files/geist-latin-wght-normal.woff2': 'static/fonts/geist-latin.woff2',
    'files/geist-latin-ext-wght-normal.woff2': 'static/fonts/geist-latin-ext.woff2',
  }],
  ['@fontsource-variable/geist-mono', 'OFL-1.1', 'LICENSE', {
    'files/geist-mono-latin-wght-normal.woff2': 'static/fonts/geist-mono-latin.woff2',
  }],
  ['axe-core', 'MPL-2.0', 'LICENSE', { 'axe.min.js': 'tests/vendor/axe.min.js' }],
  ['lucide-static', 'ISC', 'LICENSE', {}],
]

const icons = `activity anchor arrow-down arrow-right arrow-up arrow-up-down arrow-up-right ban bell box boxes chart-line check
  chevron-down chevron-left chevron-right chevrons-up-down circle-alert circle-check circle-dashed circle-help circle-x
  clock clock-3 code copy copy-plus cpu download ellipsis external-link eye file-text flag gauge git-branch globe
  hard-drive history info key-round layers link list list-filter loader-circle lock log-in log-out menu minus monitor
  moon network package pause pencil play plus radio refresh-cw rotate-ccw save scroll-text search server settings
  shield-check sliders-horizontal square sun tag terminal timer trash-2 triangle-alert user users x zap`.trim().split(/\s+/)

const renamed = { 'circle-help': 'circle-question-mark' } // lucide's newer names, kept under the shorter ones here

// Drawn for Slipway: a hull on an inclined way, and one mark for each trainer mode.
const own = {
  launch: '<path d="M5 6.2 17.6 9l-2 5.2-8.4-1.9Z"/><path d="m10.6 3 .4 4.4"/><path d="M2.5 14.5 17 18"/><path d="M16 21.4c1.5 0 1.5-1 3-1s1.5 1 3 1"/>',
  'mode-policy': '<circle cx="12" cy="12" r="7" fill="currentColor" stroke="none"/>',
  'mode-lora': '<circle cx="12" cy="12" r="6.2"/><path d="M12 5.8a6.2 6.2 0 0 1 0 12.4Z" fill="currentColor" stroke="none"/>',
  'mode-forward': '<circle cx="12" cy="12" r="6.2"/>',
}

function symbol(name) {
  const file = (icon) => readFileSync(from(`lucide-static/icons/${icon}.svg`), 'utf8')
  let source
  try { source = file(name) } catch { source = file(renamed[name]) }
  return source.replace(/<!--[\s\S]*?-->/g, '').match(/<svg[^>]*>([\s\S]*)<\/svg>/)[1].replace(/\s*\n\s*/g, '').replace(/ \/>/g, '/>')
}

for (const folder of ['static/vendor', 'static/fonts', 'static/img', 'tests/vendor']) mkdirSync(folder, { recursive: true })
const rows = []
for (const [name, licence, licenceFile, files] of packages) {
  const copy = `${name.replace(/^@/, '').replace('/', '-')}.LICENSE.txt`
  copyFileSync(from(`${name}/${licenceFile}`), `static/vendor/${copy}`)
  for (const [source, target] of Object.entries(files)) copyFileSync(from(`${name}/${source}`), target)
  const targets = Object.values(files).map((path) => `\`${path}\``).join(', ') || '`static/img/icons.svg`'
  rows.push(`| ${name} | ${version(name)} | ${licence} | [${copy}](${copy}) | ${targets} |`)
}

const symbols = [...icons.map((name) => [name, symbol(name)]), ...Object.entries(own)].map(
  ([name, body]) => `<symbol id="${name}" viewBox="0 0 24 24">${body}</symbol>`,
)
writeFileSync('static/img/icons.svg', `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join('\n')}\n</svg>\n`)
writeFileSync('static/vendor/README.md', `# Vendored browser files

Copied by \`npm run vendor\` from the packages that package-lock.json pins; nothing is fetched from a CDN.

| package | version | licence | text | files |
|---|---|---|---|---|
${rows.join('\n')}
`)
