import { bytesOfText, textOfBytes } from '@muster/protocol';

export interface FileAttribute {
  readonly path: string;
  readonly key: string;
  readonly value: Buffer;
}

/**
 * What `getfattr --absolute-names -d -m - -e hex` writes. In names, a backslash comes before three octal digits: no
 * name can look like a line.
 */
export function* parseGetfattr(output: string): Iterable<FileAttribute> {
  let path = '';
  for (const line of output.split('\n')) {
    if (line.startsWith('# file: ')) {
      path = unescaped(line.slice('# file: '.length));
      continue;
    }
    const [, key = '', hex = ''] = /^([^=]+)(?:=0x([0-9a-f]*))?$/.exec(line) ?? [];
    if (key !== '') yield { path, key: unescaped(key), value: Buffer.from(hex, 'hex') };
  }
}

/** What it says of a file that it cannot read. */
export function* parseGetfattrFaults(errors: string): Iterable<{ readonly path: string; readonly why: string }> {
  for (const line of errors.split('\n')) {
    const [, path, why] = /^getfattr: (.*): ([^:]+)$/.exec(line) ?? [];
    if (path !== undefined && why !== undefined) yield { path: unescaped(path), why };
  }
}

function unescaped(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes = bytesOfText(text)
    .toString('latin1')
    .replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return textOfBytes(Buffer.from(bytes, 'latin1'));
}
