export type { BrokerHandle } from './broker-handle.js';
export { BrokerStartError } from './broker-process.js';
export { dockerAnswers } from './docker.js';
export {
  BROKER_IMAGES,
  ensureBinary,
  findBroker,
  MissingProgramError,
  type BrokerName,
  type BrokerSource,
  type BrokerWay,
  type FindOptions,
} from './find-broker.js';
export { freePort } from './free-port.js';
export { natsAnswers, redisAnswers, until } from './probe.js';
export { startNats, type NatsHandle, type StartNatsOptions } from './start-nats.js';
export { startRedis, type StartRedisOptions } from './start-redis.js';
export { startRedisCluster, type RedisClusterHandle, type StartRedisClusterOptions } from './start-redis-cluster.js';
