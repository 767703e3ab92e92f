"""Dataset aggregation: whose commands an episode holds, what they weigh in training, and how rounds compare.

Ross, Gordon and Bagnell, "A Reduction of Imitation Learning and Structured Prediction to No-Regret Online Learning",
AISTATS 2011 (DAgger); Kelly et al., "HG-DAgger", ICRA 2019 (a human decides when to intervene).
"""
