export { chooseWay, startTestBrokers, type BrokersWay, type TestBroker, type TestBrokers } from './brokers.js';
