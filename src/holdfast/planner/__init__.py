"""What may be done now, what must wait, and why: pure functions from values to values.

preview   spec + catalogue      -> machines, price, what does not fit
machines  spec + observed       -> which machines shall exist (health says which cannot stay)
desired   spec + machines       -> what shall exist in the clouds
plan      desired + observed    -> actions and waiting
check     plan + observed       -> raises if the plan breaks an invariant
removal   observed              -> deletion: is it over, what is in the way
status    observed + plan       -> conditions, phase, when to come back
"""
