/*
 * `lossd eval FILE...`: evaluations without a server. What files (or standard input) have is read
 * by the same decoders and evaluated by the same code as a request; the JSON replies go to standard
 * output, a line for each problem.
 */
#ifndef LOSSD_EVAL_H
#define LOSSD_EVAL_H

/* argv[0] is "eval". Returns the exit status: 0; 1 when a problem is wrong, with the sentence on
 * standard error; 2 when the command or a file is. */
int eval_main(int argc, char **argv);

#endif
