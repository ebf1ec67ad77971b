export { natsAccess, newPassword, servicePassword, writePrivateFile, type BrokerLogin } from './broker-login.js';
export type { BrokerHandle } from './broker-process.js';
export { BROKER_IMAGES, ensureBinary } from './find-broker.js';
export { freePort } from './free-port.js';
export { keepRunning } from './keep-running.js';
export { natsAnswers, redisAnswers } from './probe.js';
export { startNats, type NatsHandle } from './start-nats.js';
export { startRedis } from './start-redis.js';
export { startRedisCluster } from './start-redis-cluster.js';
