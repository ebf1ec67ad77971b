import { Engine } from './engine.js';
import { BROKER_IMAGES, standInForBase, standInForBroker } from './stand-ins.js';

const engine = new Engine(process.env['MUSTER_CONTAINERS_DIR'] ?? '.muster/containers');
await standInForBase(engine);
for (const image of BROKER_IMAGES) await standInForBroker(engine, image);
