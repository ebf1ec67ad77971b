declare module 'virtual:questions' {
  const questions: Readonly<Record<string, string>>;
  export default questions;
}
