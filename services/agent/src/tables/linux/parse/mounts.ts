/** A line of `/proc/self/mounts` (fstab(5)). */
export interface Mount {
  readonly device: string;
  readonly path: string;
  readonly type: string;
  readonly flags: string;
}

export function parseMounts(text: string): Mount[] {
  return text
    .split('\n')
    .map((line) => line.split(' '))
    .filter((fields) => fields.length >= 4)
    .map(([device = '', path = '', type = '', flags = '']) => ({
      device: unescapeMount(device),
      path: unescapeMount(path),
      type,
      flags,
    }));
}

/** White space and backslashes are octal escapes. */
export function unescapeMount(value: string): string {
  return value.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
