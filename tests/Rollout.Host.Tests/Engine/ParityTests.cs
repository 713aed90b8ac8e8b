using Rollout.Gpu.Contracts;
using Rollout.Gpu.Interop;
using Rollout.Gpu.Models;
using Rollout.Gpu.Weights;
using Rollout.Host.Tests.Support;
using TorchSharp;
using Xunit;

namespace Rollout.Host.Tests.Engine;

/// <summary>Greedy tokens and log-probabilities of the whole engine against what transformers computed.</summary>
public sealed class ParityTests
{
    private const int PoolTokens = 1024;

    public static TheoryData<string> Models => [.. GoldenCase.Models];

    [SharedTheory]
    [MemberData(nameof(Models))]
    public void All_cases_in_one_batch_are_right_at_every_block_size(string model)
    {
        using var weights = Load(model);
        for (var blockSize = 1; blockSize <= 32; blockSize++)
        {
            using var rig = EngineRig.Paged(weights, new KvCacheGeometry(PoolTokens / blockSize, blockSize));
            RunTogether(rig, model);
            Assert.Equal(0, rig.Preemptions);
        }
    }

    [SharedTheory]
    [MemberData(nameof(Models))]
    public void Each_case_alone_is_right(string model)
    {
        using var weights = Load(model);
        foreach (var golden in GoldenCase.Read(model))
        {
            using var paged = EngineRig.Paged(weights, new KvCacheGeometry(PoolTokens / 16, 16));
            using var contiguous = EngineRig.Contiguous(weights, rows: 1, length: 160);
            foreach (var rig in (EngineRig[])[paged, contiguous])
            {
                var completion = Assert.Single(rig.Run([golden.Request(1)])[new GroupId(1)]);
                golden.AssertEqual(completion.Tokens, completion.Logprobs);
            }
        }
    }

    [SharedTheory]
    [MemberData(nameof(Models))]
    public void The_contiguous_engine_is_right_too_with_all_cases_at_once_or_in_turns(string model)
    {
        using var weights = Load(model);
        foreach (var rows in (int[])[8, 3])
        {
            using var rig = EngineRig.Contiguous(weights, rows, length: 160);
            RunTogether(rig, model);
        }
    }

    [SharedTheory]
    [MemberData(nameof(Models))]
    public void A_pool_so_small_that_sequences_are_preempted_changes_nothing(string model)
    {
        using var weights = Load(model);
        foreach (var blockSize in (int[])[1, 3, 16])
        {
            // The longest case has 114 tokens: it fits, and hardly anything beside it.
            using var rig = EngineRig.Paged(weights, new KvCacheGeometry(128 / blockSize, blockSize));
            RunTogether(rig, model);
            Assert.True(rig.Preemptions > 0);
        }
    }

    private static void RunTogether(EngineRig rig, string model)
    {
        var cases = GoldenCase.Read(model);
        var finished = rig.Run(cases.Select((golden, i) => golden.Request(i)));
        for (var i = 0; i < cases.Length; i++)
        {
            var completion = Assert.Single(finished[new GroupId(i)]);
            cases[i].AssertEqual(completion.Tokens, completion.Logprobs);
        }
    }

    private static PolicyWeights Load(string model)
    {
        LibTorch.Load();
        var loaded = new CausalLm(GoldenCase.Config(model), torch.ScalarType.Float32, torch.CPU);
        WeightLoader.Load(loaded, TestFiles.Shared($"fixtures/{model}")!);
        return new PolicyWeights(loaded, new PolicyVersion(0));
    }
}
