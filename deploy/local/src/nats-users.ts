import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BROKER_RIGHTS, natsAuthorization, type BrokerUser } from '@muster/messages';
import { newPassword, writePrivateFile } from './brokers/index.js';
import { readOrCreate } from './stack/command-keys.js';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: npm run nats-users -- FOLDER');
  process.exitCode = 2;
} else {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const users = {} as Record<BrokerUser, string>;
  for (const user of Object.keys(BROKER_RIGHTS) as BrokerUser[]) {
    users[user] = await readOrCreate(join(folder, `${user}-password`), newPassword);
  }
  await writePrivateFile(join(folder, 'nats-users.conf'), natsAuthorization({ users }));
  console.log(`${folder}: nats-users.conf, and a password for each of ${Object.keys(users).join(', ')}`);
}
