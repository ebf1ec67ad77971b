import { parseArgs } from 'node:util';
import { connectSnapshots } from '@muster/bus';
import { runProgram } from '@muster/runtime';
import { natsAddress } from '@muster/service-base/settings';
import { loadRestoreConfig } from './config.js';
import { restore } from './restore.js';

const USAGE = `restore --from DIR [--replace]

Makes the streams of a backup again at NATS, while all services are stopped. Then run muster-setup.

  --replace   delete streams that hold entries

Settings: MUSTER_NATS_URL, MUSTER_NATS_PASSWORD_FILE (of the user "setup"), MUSTER_STREAM_REPLICAS.`;

const { values } = parseArgs({ options: { from: { type: 'string' }, replace: { type: 'boolean', default: false } } });
const { from: folder, replace } = values;
if (folder === undefined) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(2);
}
/** Who makes streams may do this too. */
const USER = 'setup';
await runProgram({
  ...{ name: 'restore', env: process.env, load: loadRestoreConfig },
  build: async (config, { name, logger, runner }) => {
    const options = { ...natsAddress(config, USER), name: `muster ${name}`, inbox: USER, logger };
    const snapshots = await connectSnapshots({ ...options, signal: runner.stopSignal });
    runner.defer('snapshots', () => snapshots.stop());
    const { at, streams } = await restore(snapshots, { folder, replace, replicas: config.streamReplicas, logger });
    logger.info('all streams are restored; run muster-setup before the services', { streams: streams.length, at });
    void runner.stop('done');
  },
});
