/** Text files that the build puts into a module. */
declare module '*.txt' {
  const text: string;
  export default text;
}
