import { connectNats } from '@muster/bus';
import { createLogger, watchParent, writeReadyFile } from '@muster/runtime';
import { FloorGateway } from './floor-gateway.js';

/** The floor's gateway in a process of its own, like the product's gateway. */
const { FLOOR_NATS_URL = '', FLOOR_CERT_FILE, FLOOR_KEY_FILE, MUSTER_READY_FILE } = process.env;
const logger = createLogger({ service: 'floor', level: 'warn' });
const broker = await connectNats({ servers: [FLOOR_NATS_URL], name: 'floor', logger });
const tls = FLOOR_CERT_FILE && FLOOR_KEY_FILE ? { cert: FLOOR_CERT_FILE, key: FLOOR_KEY_FILE } : undefined;
const gateway = new FloorGateway({ broker, ...(tls !== undefined && { tls }) });
const port = await gateway.listen();
await broker.bus.flush();
if (MUSTER_READY_FILE) await writeReadyFile(MUSTER_READY_FILE, { gateway: port });

const stop = (): void => {
  gateway.stop();
  void broker.stop({ drain: false }).finally(() => process.exit(0));
};
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
watchParent({ pid: process.ppid, onGone: stop });
