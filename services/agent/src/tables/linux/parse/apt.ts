import { parseParagraphs } from './dpkg.js';

export interface AptSource {
  readonly uri: string;
  readonly release: string;
  readonly components: string;
  readonly architectures: string;
}

/** A line of a `.list` file (sources.list(5)): type, options in brackets, URI, release, components. */
export function parseSourcesList(text: string): AptSource[] {
  return text.split('\n').flatMap((raw) => {
    const [type, ...rest] = quotedWords(raw);
    if (type !== 'deb') return [];
    const options = rest[0]?.startsWith('[') === true ? (rest.shift() ?? '') : '';
    const [uri, release, ...components] = rest.map(unquoteWord);
    if (uri === undefined || release === undefined) return [];
    const architectures = /(?:^\[|\s)arch=([^\s\]]+)/.exec(options)?.[1]?.replaceAll(',', ' ') ?? '';
    return [{ uri, release, components: components.join(' '), architectures }];
  });
}

/**
 * The words of a line, up to a comment, as apt splits them: blanks within quotes and brackets belong to the word, and `#`
 * within brackets begins no comment.
 */
function quotedWords(line: string): string[] {
  const content = /^(?:\[[^\]]*\]|[^#])*/.exec(line)?.[0] ?? '';
  return content.match(/(?:"[^"]*"|\[[^\]]*\]|\S)+/g) ?? [];
}

/** Takes the quotes off, and reads `%20` and the like. */
function unquoteWord(word: string): string {
  return word
    .replaceAll('"', '')
    .replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

/** A `.sources` file. One paragraph may have several URIs and suites. */
export function parseDeb822Sources(text: string): AptSource[] {
  return [...parseParagraphs(text)].flatMap((paragraph) => {
    const value = (key: string): string[] => words(paragraph.get(key) ?? '');
    if (!value('types').includes('deb') || paragraph.get('enabled')?.toLowerCase() === 'no') return [];
    const components = value('components').join(' ');
    const architectures = value('architectures').join(' ');
    return value('uris').flatMap((uri) =>
      value('suites').map((release) => ({ uri, release, components, architectures })),
    );
  });
}

/** File name of a source's downloaded index: without the scheme, with underscores for slashes. */
export function aptListName(source: AptSource): string {
  const place = source.uri.replace(/^[a-z+]+:\/+/i, '').replace(/\/+$/, '');
  const path = source.release.endsWith('/')
    ? `${place}/${source.release.replace(/\/+$/, '')}`
    : `${place}/dists/${source.release}`;
  return path.replaceAll('_', '%5f').replaceAll('/', '_');
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
