import type { TableRow } from '@muster/tables';

/** Parses core metadata (METADATA or PKG-INFO): headers up to the first empty line. */
export function parsePythonMetadata(text: string): TableRow | undefined {
  const head = text.split(/\r?\n\r?\n/, 1)[0] ?? '';
  const value = (key: string): string => new RegExp(`^${key}: *(.*)$`, 'm').exec(head)?.[1]?.trim() ?? '';
  const name = value('Name');
  if (name === '') return undefined;
  return {
    name,
    version: value('Version'),
    summary: value('Summary'),
    author: value('Author') || value('Author-email'),
    license: value('License-Expression') || value('License'),
  };
}
