/* The table of instruction sets, best first; the last entry runs everywhere. */
#ifndef LOSS_CPU_H
#define LOSS_CPU_H

#include "kernel/vector/vector.h"
#include "loss.h"

/* The kernels of an instruction set that this machine has: isa as loss_isa_find gave it, or NULL
 * for the best. */
const struct vector_kernels *cpu_kernels(const char *isa);

#endif
