/*
 * `lossd eval FILE`: one evaluation without a server. The file (or standard input) is read by the
 * same decoders and evaluated by the same code as a request; the JSON reply goes to standard
 * output.
 */
#ifndef LOSSD_EVAL_H
#define LOSSD_EVAL_H

/* argv[0] is "eval". Returns the exit status: 0; 1 when the problem is wrong, with the sentence on
 * standard error; 2 when the command or the file is. */
int eval_main(int argc, char **argv);

#endif
