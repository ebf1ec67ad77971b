import { parseArgs } from 'node:util';
import { connectSnapshots } from '@muster/bus';
import { runProgram } from '@muster/runtime';
import { natsAddress } from '@muster/service-base/settings';
import { backUp } from './back-up.js';
import { loadBackupConfig } from './config.js';

const USAGE = `backup --to DIR

Writes all streams of Muster at NATS to DIR, which is made or is empty. Services may run.
Settings: MUSTER_NATS_URL, MUSTER_NATS_PASSWORD_FILE (of the user "backup").`;

const { values } = parseArgs({ options: { to: { type: 'string' } } });
const { to: folder } = values;
if (folder === undefined) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(2);
}
await runProgram({
  ...{ name: 'backup', env: process.env, load: loadBackupConfig },
  build: async (config, { name, logger, runner }) => {
    const options = { ...natsAddress(config, name), name: `muster ${name}`, inbox: name, logger };
    const snapshots = await connectSnapshots({ ...options, signal: runner.stopSignal });
    runner.defer('snapshots', () => snapshots.stop());
    const { at, streams } = await backUp(snapshots, folder, logger);
    const entries = streams.reduce((sum, { state }) => sum + state.messages, 0);
    logger.info('backup is complete; keys and secrets are files of their own', { folder, at, entries });
    void runner.stop('done');
  },
});
