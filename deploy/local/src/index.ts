export * from './brokers/index.js';
export { scrapeTargets } from './observe/scrape-targets.js';
export { startPrometheus } from './observe/start-prometheus.js';
export { ensureCertificates, type CertificateFiles } from './stack/certificates.js';
export { startStack } from './stack/start-stack.js';
export type { AgentOptions, Program, ServerProgram, Stack, StackOptions } from './stack/stack.js';
export { mainOf, type ProgramKind, type ProgramSettings } from './stack/programs.js';
