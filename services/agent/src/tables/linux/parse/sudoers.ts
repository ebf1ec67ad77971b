/** A rule, or an include of another file or folder. */
export type SudoersLine =
  | { readonly kind: 'rule'; readonly header: string; readonly details: string }
  | {
      readonly kind: 'include' | 'includedir';
      readonly header: string;
      readonly details: string;
      readonly path: string;
    };

/** Parses sudoers(5). A backslash continues a line. `#include` and `#` with a user id are not comments. */
export function parseSudoers(text: string): SudoersLine[] {
  return text
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .flatMap((raw): SudoersLine[] => {
      const line = raw.trim();
      const include = /^([@#](include|includedir))\s+(.+)$/.exec(line);
      if (include !== null) {
        const [, header = '', kind, details = ''] = include;
        const path = unquote(details);
        return [{ kind: kind === 'include' ? 'include' : 'includedir', header, details, path }];
      }
      if (line === '' || /^#(?!\d)/.test(line)) return [];
      const rule = /^(\S+)\s*(.*)$/.exec(line);
      return [{ kind: 'rule', header: rule?.[1] ?? '', details: rule?.[2] ?? '' }];
    });
}

function unquote(path: string): string {
  return path
    .trim()
    .replace(/^"(.*)"$/, '$1')
    .replace(/\\(.)/g, '$1');
}
