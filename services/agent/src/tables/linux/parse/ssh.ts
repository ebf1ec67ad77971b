import type { TableRow } from '@muster/tables';

const KEY_TYPE =
  /^(ssh-(rsa|dss|ed25519)|ecdsa-sha2-nistp\d+|sk-[\w-]+@openssh\.com|ssh-[\w-]+-cert-v01@openssh\.com|ecdsa-[\w-]+-cert-v01@openssh\.com)$/;

/** Parses authorized_keys (sshd(8)): options, which may contain quoted spaces, then type, key and comment. */
export function parseAuthorizedKeys(text: string): TableRow[] {
  return text.split('\n').flatMap((raw) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return [];
    const words = splitQuoted(line);
    const type = words.findIndex((word) => KEY_TYPE.test(word));
    if (type < 0 || type > 1) return [];
    const [algorithm = '', key = '', ...comment] = words.slice(type);
    return [{ algorithm, key, options: type === 1 ? (words[0] ?? '') : '', comment: comment.join(' ') }];
  });
}

/** Splits at white space outside of double quotes. */
function splitQuoted(line: string): string[] {
  return line.match(/(?:[^\s"]|"(?:\\.|[^"\\])*"?)+/g) ?? [];
}
