/* The virtual lanes of every vector kernel, whatever the width of a register. */
#ifndef LOSS_KERNEL_LANE_COUNT_H
#define LOSS_KERNEL_LANE_COUNT_H

#define LANES 16

#endif
