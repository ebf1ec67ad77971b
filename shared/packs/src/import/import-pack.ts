/** Other formats, read as packs: Fleet policies, osquery packs, SQL files, Wazuh SCA policies. */
import type { Pack } from '../format/pack-schema.js';
import { importFleet } from './fleet.js';
import { type ImportedChecks, type ImportNote, packOf, type SourceFile } from './imported.js';
import { importOsqueryPack } from './osquery-pack.js';
import { importSqlFile } from './sql-file.js';
import { importWazuhSca } from './wazuh-sca.js';

export type { ImportNote, SourceFile } from './imported.js';

const READERS: Readonly<Record<ImportFormat, (file: SourceFile) => ImportedChecks>> = {
  fleet: importFleet,
  osquery: importOsqueryPack,
  sql: importSqlFile,
  'wazuh-sca': importWazuhSca,
};

export const IMPORT_FORMATS = ['fleet', 'osquery', 'sql', 'wazuh-sca'] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

export interface ImportedPack {
  /** Missing when nothing could be taken over. */
  readonly pack?: Pack;
  readonly notes: readonly ImportNote[];
}

/**
 * Reads files of one format as a pack of this name. What could not be taken over is in `notes`. Whether the SQL
 * compiles here says the linter.
 */
export function importPack(files: readonly SourceFile[], from: ImportFormat, name: string): ImportedPack {
  const read = files.map((file) => READERS[from](file));
  const checks = read.flatMap((one) => one.checks);
  const notes = read.flatMap((one) => one.notes);
  return checks.length === 0 ? { notes } : { pack: packOf(name, checks), notes };
}
