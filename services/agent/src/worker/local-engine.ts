import { createSqlEngine, type SqlEngine, type SqlEngineOptions, TABLES } from '@muster/tables';
import { thisPlatform } from '../host/facts.js';
import { agentVersion } from '../host/program-files.js';
import { platformTables, type PlatformTablesOptions } from '../tables/platform-tables.js';

/**
 * The SQL engine over the tables of this machine. It also knows the tables of other platforms, so that a query for them
 * is refused as unsupported and not as a misspelt table.
 */
export function createLocalEngine({
  onLook,
  ...options
}: Omit<PlatformTablesOptions, 'root'> & Pick<SqlEngineOptions, 'onLook'> = {}): Promise<SqlEngine> {
  const platform = thisPlatform();
  const { provider } = platformTables(platform, { version: agentVersion(), ...options });
  return createSqlEngine({ tables: TABLES, provider, platform, ...(onLook === undefined ? {} : { onLook }) });
}
