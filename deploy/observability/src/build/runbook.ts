/** The section of an alert in docs/operations.md has its name as heading. */
export function runbookUrl(base: string, alert: string): string {
  return `${base}#${alert.toLowerCase()}`;
}
