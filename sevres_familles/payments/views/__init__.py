"""Pages of the payments area: the review, the payment and its receipt, the list, and the banks' doors."""
