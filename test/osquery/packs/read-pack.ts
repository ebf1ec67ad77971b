/** A query of a pack. */
export interface PackQuery {
  readonly name: string;
  readonly sql: string;
  /** `linux`, `darwin`, `windows`, `posix`, `any`, or several with commas; of the query, or else of the pack. */
  readonly platform: string;
}

interface Pack {
  readonly platform?: string;
  readonly queries?: Readonly<Record<string, { readonly query?: string; readonly platform?: string }>>;
}

/**
 * The queries of a pack of osquery's: JSON, in which a line may be a comment (`#`, `//`) and may go on after a
 * backslash. @throws for other texts.
 */
export function readPack(text: string): PackQuery[] {
  const json = text.replaceAll(/\\\r?\n\s*/g, ' ').replaceAll(/^\s*(?:#|\/\/).*$/gm, '');
  const { platform = 'any', queries = {} } = JSON.parse(json) as Pack;
  return Object.entries(queries).map(([name, one]) => ({
    name,
    sql: one.query ?? '',
    platform: one.platform ?? platform,
  }));
}

/** Whether a query is for Linux. */
export function isForLinux({ platform }: PackQuery): boolean {
  const names = platform.split(',').map((name) => name.trim());
  return names.some((name) => ['linux', 'posix', 'any', 'all', ''].includes(name));
}
