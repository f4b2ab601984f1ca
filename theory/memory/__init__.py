"""Associative memory: the scores v_j^T W u_i of W = sum C_ji v_j u_i^T, and what they recall."""
