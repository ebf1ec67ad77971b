export { listenerFaults, listenerFields, serviceFields, tlsFiles, type ServiceConfig } from './common-fields.js';
export { connectService, type ServiceBase } from './connect-service.js';
export { connectionsThatFit } from './descriptor-limit.js';
export { problemReply, type ProblemReply } from './problem-reply.js';
