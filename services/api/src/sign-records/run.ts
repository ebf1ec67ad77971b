import { connectNats } from '@muster/bus';
import { publicJwks, RecordSigner, RecordVerifier } from '@muster/identity';
import type { ProgramContext } from '@muster/runtime';
import { natsAddress } from '@muster/service-base/settings';
import type { SignConfig } from './config.js';
import { signRecords } from './sign-records.js';

/**
 * The migration to signed records: signs, once, what versions before have kept. Without `write` it only lists. As the user of an API.
 */
export async function runSignRecords(
  config: SignConfig,
  { logger, runner }: ProgramContext,
  write: boolean,
): Promise<void> {
  const options = {
    ...natsAddress(config, 'api'),
    name: 'muster sign-records',
    inbox: 'api',
    logger,
    signal: runner.stopSignal,
  };
  const broker = await connectNats(options);
  runner.defer('broker', () => broker.stop());
  const { jwks } = config.recordKeys.reveal();
  await signRecords({
    ...{ streams: broker.streams, write, print: (line: string) => process.stdout.write(`${line}\n`) },
    ...{ signer: new RecordSigner(jwks), verifier: new RecordVerifier(publicJwks(jwks).keys) },
  });
  void runner.stop('done');
}
