import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  createSqlEngine,
  type CollectRequest,
  type TableProvider,
  type TableRow,
  type TableSpec,
} from '@muster/tables';
import { PathNote } from '../worker/path-note.js';
import { serveAgent } from '../worker/worker-server.js';

/** A worker for tests: the real engine over tables that misbehave on demand. */
const names = [
  'numbers',
  'exits',
  'aborts',
  'is_killed',
  'throws',
  'eats_memory',
  'blocks',
  'spins',
  'lacks',
  'hangs',
  'reads',
  'absent',
];
const note = new PathNote();

const tables: TableSpec[] = names.map((name) => ({
  name,
  description: `fixture ${name}`,
  platforms: ['linux'],
  columns: [
    { name: 'n', type: 'INTEGER', description: 'a number' },
    { name: 'text', type: 'TEXT', description: 'a text' },
  ],
}));

const provider: TableProvider = {
  has: (table) => table !== 'absent',
  *collect(table: string, request: CollectRequest): Iterable<TableRow> {
    switch (table) {
      case 'exits':
        return process.exit(7);
      case 'aborts':
        return process.abort();
      // As the OOM killer does.
      case 'is_killed':
        process.kill(process.pid, 'SIGKILL');
        return;
      case 'throws':
        throw new Error('the collector failed');
      case 'eats_memory': {
        const eaten: number[][] = [];
        for (;;) eaten.push(Array.from({ length: 100_000 }, (_, i) => i + 0.5));
      }
      // A system call that does not return, like a read from a dead network file system. The engine cannot end it.
      case 'blocks':
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
        return;
      // Without a mount: as `blocks`, at a path.
      case 'hangs': {
        const path = process.env['FIXTURE_PATH'] ?? '/nowhere';
        note.set(path);
        readFileSync(path);
        return;
      }
      case 'reads': {
        const path = fileURLToPath(import.meta.url);
        note.set(path);
        yield { n: 1, text: readFileSync(path, 'utf8') };
        return;
      }
      case 'lacks':
        request.warn('unreadable', `/private: ${'x'.repeat(600)}`);
        yield { n: 1 };
        return;
      case 'spins':
        for (;;) request.checkpoint();
      default:
        for (let n = 0; n < 100_000; n += 1) yield { n, text: `row ${n} ${'x'.repeat(40)}` };
    }
  },
};

if (process.env['FIXTURE_STARTS'] === 'never') setInterval(() => {}, 60_000);
else
  serveAgent({
    note,
    openEngine: (onLook) => createSqlEngine({ tables, provider, platform: 'the test machine', onLook }),
  });
