/*
 * libloss: logits and targets in, loss, gradient and relatives out. The only header to include.
 *
 * The library is pure computation: no I/O, no clock, no global state (a thread remembers
 * what team it is in). A caller
 *
 *   1. makes an arena (the memory of one evaluation, charged against a budget),
 *   2. makes a problem for one row of the table of losses and sets its tensors, arguments and
 *      outputs,
 *   3. plans it (every semantic check happens here), runs the plan's row blocks, finishes it,
 *   4. reads the result, whose tensors live in the arena, and destroys the arena.
 *
 * Threads: an arena and everything made from it belong to one thread at a time; only a budget and a
 * struct loss_cancel may be shared. The tables are constant. A run by several threads has them from
 * OpenMP; all but the calling one keep off the processor that it was on.
 *
 * From C++ it is the same, in C++11 or later. Functions without an error path say so by returning
 * void. Pointers are never NULL where nothing says so. Errors: every function that can fail
 * returns a loss_status and fills a struct loss_error, which may be NULL. To link:
 * cc program.c $(pkg-config --cflags --libs lossd), or libloss.a -fopenmp -lm. What the losses
 * mean, to the last bit, is in docs/numerics.md.
 */
#ifndef LOSS_H
#define LOSS_H

#define LOSS_VERSION "0.1.0"

#include "loss/api.h"
#include "loss/call.h"
#include "loss/evaluate.h"
#include "loss/losses.h"
#include "loss/memory.h"
#include "loss/problem.h"
#include "loss/status.h"
#include "loss/tensor.h"
#include "loss/totals.h"

#endif
