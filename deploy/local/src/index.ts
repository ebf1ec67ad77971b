export * from './brokers/index.js';
export { ensureCertificates, type CertificateFiles } from './stack/certificates.js';
export { ChildError } from './stack/child.js';
export { startStack, type Program, type Stack, type StackOptions } from './stack/start-stack.js';
export { type ProgramKind } from './stack/programs.js';
