// The service is a program: `main.ts` runs it. Nothing of it is for import.
export {};
