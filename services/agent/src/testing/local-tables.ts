/** The tables of this machine, asked in the process that asks. */
export { LinuxTables, type QueryResult } from '../tables/table-fixture.js';
