import { parentPort } from 'node:worker_threads';
import { compileReduce, createSqlEngine, TABLES } from '@muster/tables';
import type { CompileReply, CompileRequest } from './sql-compiler.js';

/** Compiles statements one after the other in a thread of its own, so that a hostile one delays nothing else. */
if (parentPort !== null) {
  const port = parentPort;
  const engine = await createSqlEngine({ tables: TABLES });
  port.on('message', ({ id, sql, parameters, reduceOver }: CompileRequest) => {
    const compiled =
      reduceOver === undefined
        ? Promise.resolve(engine.compile(sql, parameters))
        : compileReduce(sql, reduceOver, parameters);
    compiled.then(
      (result) => port.postMessage({ id, result } satisfies CompileReply),
      (error: unknown) => port.postMessage({ id, fault: String(error) } satisfies CompileReply),
    );
  });
}
