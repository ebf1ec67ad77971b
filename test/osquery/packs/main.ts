import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LinuxTables } from '@muster/agent/testing/local-tables';
import { isForLinux, type PackQuery, readPack } from './read-pack.js';

/**
 * `compare:packs FOLDER…`: runs the Linux queries of packs (`*.conf`, `*.json`) and of files with one query (`*.sql`)
 * on this machine, and prints which do not run.
 */
const folders = process.argv.slice(2);
if (folders.length === 0) throw new Error('compare:packs FOLDER…: folders with packs, or with files of SQL');
const tables = await LinuxTables.open();
for (const folder of folders) {
  const queries = queriesIn(folder).filter(isForLinux);
  const failures = queries.flatMap(({ name, sql }) => {
    const { result } = tables.query(sql, { ms: 20_000 });
    return result.ok ? [] : [`${name}: ${result.message}`];
  });
  for (const failure of failures) console.log(failure);
  const ran = queries.length - failures.length;
  console.log(
    `${folder}: ${ran} of ${queries.length} Linux queries ran (${((100 * ran) / queries.length).toFixed(1)} %)`,
  );
}
tables.close();

function queriesIn(folder: string): PackQuery[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => /\.(conf|json|sql)$/.test(path) && statSync(path).isFile())
    .flatMap((path) => (path.endsWith('.sql') ? [readSql(path)] : readPack(readFileSync(path, 'utf8'))));
}

/** The comment `-- platform: …` above the statement says for which, or the name of the file. */
function readSql(path: string): PackQuery {
  const sql = readFileSync(path, 'utf8');
  return { name: path, sql, platform: /^--\s*platform:\s*(.+)$/m.exec(sql)?.[1] ?? platformOf(path) };
}

function platformOf(path: string): string {
  return /[-_]macos\.sql$/.test(path) ? 'darwin' : 'any';
}
