import type { TableRow } from '@muster/tables';

const FIELDS = [
  '=NAME',
  'FILEUSERNAME',
  'FILEGROUPNAME',
  'FILEMODES:octal',
  'FILESIZES',
  'FILEDIGESTS',
  'FILENAMES',
] as const;

/** Format for `rpm --queryformat`: one line for each file of a package, the name of the file last. */
export const RPM_FILES_FORMAT = `[${FIELDS.map((tag) => `%{${tag}}`).join('\\t')}\\n]`;

/** Parses the output of that format. */
export function* parseRpmFiles(text: string): Iterable<TableRow> {
  for (const line of text.split('\n')) {
    const [name, username, groupname, mode = '', size, digest = '', ...path] = line.split('\t');
    if (path.length === 0) continue;
    const permissions = mode.slice(-4).padStart(4, '0');
    // Older packages have MD5.
    const sha256 = digest.length === 64 ? digest : '';
    yield { package: name, path: path.join('\t'), username, groupname, mode: permissions, size: Number(size), sha256 };
  }
}
