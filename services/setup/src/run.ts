import { connectNats } from '@muster/bus';
import type { ProgramContext } from '@muster/runtime';
import { natsAddress, streamDefinitions } from '@muster/service-base/settings';
import type { SetupConfig } from './config.js';
import { setUpStreams } from './set-up-streams.js';

/** Connects, makes and changes the streams, and asks for the end of the program. */
export async function runSetup(config: SetupConfig, { name, logger, runner }: ProgramContext): Promise<void> {
  const { patienceMs, storageLimitBytes } = config;
  const signal = runner.stopSignal;
  const untilMs = Date.now() + patienceMs;
  const options = { ...natsAddress(config, name), name: `muster ${name}`, inbox: name, logger, signal };
  const broker = await connectNats({ ...options, startTimeoutMs: patienceMs });
  runner.defer('broker', () => broker.stop());
  const streams = streamDefinitions(config);
  await setUpStreams(broker.streams, { streams, storageLimitBytes, untilMs, logger, signal });
  void runner.stop('done');
}
