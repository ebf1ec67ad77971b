import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureInstallation, secretManifests, writeSecretFolders } from './installation-secrets.js';

const USAGE = `npm run secrets -- [--folder DIR] [--org ORG] [--name HOST]... [--rotate brokers] [--compose] [--kubernetes NAMESPACE]

Makes the first-time secrets of an installation in DIR (default .muster/installation): keys, an operator token, an enrolment secret, users of the
brokers, a certificate for the names. Run again it keeps what is there.

  --kubernetes NAMESPACE   print them as Secrets: npm run -s secrets -- --kubernetes muster | kubectl apply --server-side -f -
  --only NAME,NAME         with --kubernetes: only these, for another namespace
  --compose                write them to DIR/secrets, as deploy/compose mounts them
  --rotate brokers         new passwords for all users of NATS and Redis and for the routes between NATS servers; what to do then: docs/operations.md
`;

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: '.muster/installation' },
    org: { type: 'string', default: 'default' },
    name: { type: 'string', multiple: true, default: [] },
    kubernetes: { type: 'string' },
    only: { type: 'string' },
    rotate: { type: 'string' },
    compose: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

/** Names within a cluster or a compose network, and on this machine. */
const INSIDE = [
  ...['localhost', '127.0.0.1', 'muster-gateway', 'muster-api', 'haproxy'],
  ...['muster-gateway.muster.svc', 'muster-api.muster.svc'],
];

const isWrong = values.rotate !== undefined && values.rotate !== 'brokers';
if (values.help || isWrong || (values.kubernetes === undefined && !values.compose)) {
  process.stdout.write(USAGE);
  process.exit(values.help ? 0 : 2);
}
const folder = resolve(values.folder);
const secrets = await ensureInstallation({
  ...{ folder, org: values.org, names: [...INSIDE, ...values.name] },
  rotateBrokers: values.rotate === 'brokers',
});
if (values.compose) await writeSecretFolders(join(folder, 'secrets'), secrets);
if (values.kubernetes !== undefined) {
  const only = values.only?.split(',');
  const chosen = Object.entries(secrets).filter(([name]) => only?.includes(name) ?? true);
  process.stdout.write(secretManifests(Object.fromEntries(chosen), values.kubernetes));
}
process.stderr.write(
  `secrets are in ${folder}\nmove command-root.json to where no server is: it signs the keys that sign commands\n`,
);
