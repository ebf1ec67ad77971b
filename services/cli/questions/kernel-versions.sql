-- Which kernels run, and on how many machines?
-- tags: inventory
-- group
SELECT version
FROM kernel_info
