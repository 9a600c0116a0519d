export interface Span {
  at: number;
  size: number;
}

export interface Area {
  from: number;
  to: number;
}

/** What readFunctions gives, as far as tests look at it. */
export interface Program {
  functions: {
    args: number;
    deferreturn: number;
    kind: number;
    name: number;
    pcsp: number;
    stackMap: number;
    datas: number[];
    needed: Span[];
    traced: Span[];
  }[];
  names: Area;
  files: Area;
  tables: Area;
  records: Area;
  tableEnd: (offset: number) => number;
}

export function readFunctions(memory: Buffer): Program;
