import { gzipSync } from 'node:zlib';

/** Kilobytes of gzipped script: what the first view of Fleet loads, and what any page loads with everything that it loads later. */
const FLEET_KB = 260;
const PAGE_KB = 400;

/** A plugin of Vite: the build fails when a page loads more script than it may, and says how much each page loads. */
export function budget() {
  return {
    name: 'budget',
    generateBundle(_options, bundle) {
      const pages = pageSizes(bundle);
      const over = pages.filter(({ name, first, all }) => all > PAGE_KB || (name === 'fleet' && first > FLEET_KB));
      const lines = pages.map(({ name, first, all }) => `  ${name.padEnd(12)} first ${first} KB, all ${all} KB`);
      console.log(
        `Gzipped script by page (Fleet first at most ${FLEET_KB}, any page ${PAGE_KB}):\n${lines.join('\n')}`,
      );
      if (!pages.some(({ name }) => name === 'fleet')) this.error('the budget finds no page named fleet');
      if (over.length > 0) this.error(`over the budget of script: ${over.map(({ name }) => name).join(', ')}`);
    },
  };
}

/** What each page loads: the entry, the chunk of the page, and in `all` also what the page loads later, with every worker. */
export function pageSizes(bundle) {
  const chunks = Object.values(bundle).filter(({ type }) => type === 'chunk');
  const byFile = new Map(chunks.map((chunk) => [chunk.fileName, chunk]));
  const sizes = new Map(chunks.map(({ fileName, code }) => [fileName, gzipSync(code, { level: 9 }).length]));
  const size = (files) => Math.ceil([...files].reduce((sum, file) => sum + sizes.get(file), 0) / 1_024);
  const workers = Object.values(bundle)
    .filter(({ type, fileName }) => type === 'asset' && fileName.endsWith('.js'))
    .reduce((sum, { source }) => sum + gzipSync(source, { level: 9 }).length, 0);
  const isPage = (chunk) => (chunk.facadeModuleId ?? '').endsWith('-page.tsx');
  const reach = (files, dynamic) => {
    const seen = new Set();
    const visit = (file) => {
      const chunk = byFile.get(file);
      if (chunk === undefined || seen.has(file)) return;
      seen.add(file);
      for (const next of chunk.imports) visit(next);
      if (dynamic) for (const next of chunk.dynamicImports) if (!isPage(byFile.get(next) ?? {})) visit(next);
    };
    for (const file of files) visit(file);
    return seen;
  };
  const entries = chunks.filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName);
  return chunks.filter(isPage).map((chunk) => ({
    name: /([\w-]+)-page\.tsx$/.exec(chunk.facadeModuleId)[1],
    first: size(reach([...entries, chunk.fileName], false)),
    all: size(reach([...entries, chunk.fileName], true)) + Math.ceil(workers / 1_024),
  }));
}
