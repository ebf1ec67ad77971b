import { Document, isMap, isPair, isScalar, visit } from 'yaml';
import type { Pack } from './pack-schema.js';

/** Keys in the sequence of the format, whatever the sequence in the object. */
const PACK_KEYS = ['kind', 'format', 'id', 'version', 'title', 'description', 'license', 'checks'];
const CHECK_KEYS = [
  ...['id', 'title', 'description', 'severity', 'platforms', 'tags', 'applies_if', 'sql', 'row_means', 'evidence'],
  ...['not_applicable', 'remediation', 'action', 'references'],
];

/** The pack as a YAML text that `readPack` reads as the same pack. `head` is a comment above it. */
export function writePack(pack: Pack, head?: string): string {
  const ordered = { ...sortKeys(pack, PACK_KEYS), checks: pack.checks.map((check) => sortKeys(check, CHECK_KEYS)) };
  const document = new Document(ordered, { aliasDuplicateObjects: false, version: '1.2', schema: 'core' });
  if (head !== undefined) document.commentBefore = head.replaceAll(/^/gm, ' ');
  visit(document, {
    Pair(_, pair) {
      if (isPair(pair) && isScalar(pair.key) && isMap(pair.value) === false && isScalar(pair.value)) {
        const text = pair.value.value;
        if (typeof text === 'string' && (text.includes('\n') || pair.key.value === 'sql'))
          pair.value.type = 'BLOCK_LITERAL';
      }
    },
  });
  return document.toString({ lineWidth: 0, blockQuote: 'literal' });
}

function sortKeys<T extends object>(value: T, keys: readonly string[]): T {
  const rank = (key: string): number => keys.indexOf(key);
  return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => rank(one) - rank(other))) as T;
}
