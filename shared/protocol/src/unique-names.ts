/** SQL allows duplicate column names, JSON objects do not: the second `name` becomes `name_2`. */
export function uniqueNames(columns: readonly string[]): string[] {
  const used = new Set<string>();
  return columns.map((column) => {
    let key = column;
    for (let i = 2; used.has(key); i += 1) key = `${column}_${i}`;
    used.add(key);
    return key;
  });
}
