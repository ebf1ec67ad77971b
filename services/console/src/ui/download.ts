/** Saves a file: what is at an address, or something that was made here. */
export function download(what: Blob | string, name: string): void {
  const href = typeof what === 'string' ? what : URL.createObjectURL(what);
  const link = document.createElement('a');
  link.href = href;
  link.download = name;
  link.click();
  if (typeof what !== 'string') setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
